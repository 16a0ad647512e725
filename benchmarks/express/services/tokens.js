'use strict';
const { createHash, randomBytes } = require('crypto');
const jwt = require('jsonwebtoken');
const config = require('../config');

function accessToken(user, sessionId) {
  return jwt.sign({ sid: String(sessionId), roles: user.roles }, config.jwtSecret,
    { algorithm: 'HS256', subject: String(user._id), expiresIn: config.accessTokenSeconds });
}

module.exports = {
  accessToken,
  accessTokenCheck: (token) => jwt.verify(token, config.jwtSecret, { algorithms: ['HS256'] }),
  refreshToken: () => randomBytes(32).toString('base64url'),
  hashOf: (token) => createHash('sha256').update(token).digest('hex'),
};
