// Who asks: a valid access token of an account that may still be used, in req.user.
'use strict';
const ApiError = require('../api-error');
const User = require('../models/user');
const cache = require('../services/cache');
const tokens = require('../services/tokens');
const { db } = require('../services/breaker');

async function userOf(id) {
  const known = cache.get(id);
  if (known) return known;
  const user = await db(() => User.findById(id).lean());
  if (user) cache.set(id, user);
  return user;
}

module.exports = async (req, res, next) => {
  try {
    const [scheme, token] = (req.get('Authorization') ?? '').split(' ');
    if (scheme !== 'Bearer' || !token) throw new ApiError(401, 'INVALID_TOKEN', 'A bearer token is needed');
    let claims;
    try {
      claims = tokens.accessTokenCheck(token);
    } catch {
      throw new ApiError(401, 'INVALID_TOKEN', 'The token is not valid');
    }
    const user = await userOf(claims.sub);
    if (!user || user.status !== 'active') throw new ApiError(401, 'INVALID_TOKEN', 'The account cannot be used');
    req.user = user;
    req.sessionId = claims.sid;
    next();
  } catch (error) {
    next(error);
  }
};
