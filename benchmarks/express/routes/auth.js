// The same contract as authd's: see docs/ of the project.
'use strict';
const express = require('express');
const config = require('../config');
const ApiError = require('../api-error');
const authenticate = require('../middleware/authenticate');
const Session = require('../models/session');
const User = require('../models/user');
const cache = require('../services/cache');
const passwords = require('../services/passwords');
const tokens = require('../services/tokens');
const { db, DUPLICATE_KEY } = require('../services/breaker');

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const router = express.Router();
const handler = (work) => (req, res, next) => work(req, res).catch(next);

function credentialsOf(body) {
  const { email, password } = body ?? {};
  if (typeof email !== 'string' || !EMAIL.test(email) || typeof password !== 'string' || password.length < 8 ||
      Buffer.byteLength(password) > 72) {
    throw new ApiError(422, 'VALIDATION_FAILED', 'An address and a password of 8 characters to 72 bytes are needed');
  }
  return { email: email.trim().toLowerCase(), password };
}

function shown(user) {
  return { id: user._id, email: user.email, name: user.name ?? null, status: user.status, roles: user.roles,
    created_at: user.createdAt, updated_at: user.updatedAt, last_login_at: user.lastLogin ?? null };
}

function grant(user, sessionId, refreshToken) {
  return { user: shown(user), access_token: tokens.accessToken(user, sessionId), refresh_token: refreshToken,
    token_type: 'Bearer', expires_in: config.accessTokenSeconds };
}

const expiry = () => new Date(Date.now() + config.refreshTokenSeconds * 1000);

async function sessionCreate(req, user) {
  const refreshToken = tokens.refreshToken();
  const session = await db(() => Session.create({ user: user._id, tokenHash: tokens.hashOf(refreshToken),
    userAgent: req.get('User-Agent'), expiresAt: expiry() }));
  return grant(user, session._id, refreshToken);
}

router.post('/register', handler(async (req, res) => {
  const { email, password } = credentialsOf(req.body);
  const hash = await passwords.hash(password, config.bcryptRounds);
  let user;
  try {
    user = await db(() => User.create({ email, password: hash, name: req.body.name }));
  } catch (error) {
    if (error.code === DUPLICATE_KEY) throw new ApiError(409, 'EMAIL_TAKEN', 'There is an account with this address');
    throw error;
  }
  res.status(201).json({ success: true, data: await sessionCreate(req, user) });
}));

router.post('/login', handler(async (req, res) => {
  const { email, password } = credentialsOf(req.body);
  const user = await db(() => User.findOne({ email }).select('+password').lean());
  if (user && user.loginAttempts.count >= config.loginAttemptsMax) {
    throw new ApiError(429, 'TOO_MANY_ATTEMPTS', 'Too many attempts');
  }
  if (!user || !await passwords.compare(password, user.password)) {
    if (user) {
      await db(() => User.updateOne({ _id: user._id },
        { $inc: { 'loginAttempts.count': 1 }, $set: { 'loginAttempts.lastAttempt': new Date() } }));
    }
    throw new ApiError(401, 'INVALID_CREDENTIALS', 'Wrong address or password');
  }
  if (user.status !== 'active') throw new ApiError(403, 'ACCOUNT_SUSPENDED', 'The account is suspended');
  user.lastLogin = new Date();
  await db(() => User.updateOne({ _id: user._id }, { $set: { 'loginAttempts.count': 0, lastLogin: user.lastLogin } }));
  cache.del(String(user._id));
  res.json({ success: true, data: await sessionCreate(req, user) });
}));

router.post('/refresh', handler(async (req, res) => {
  const { refresh_token: old } = req.body ?? {};
  if (typeof old !== 'string') throw new ApiError(422, 'VALIDATION_FAILED', 'refresh_token is needed');
  const refreshToken = tokens.refreshToken();
  const session = await db(() => Session.findOneAndUpdate(
    { tokenHash: tokens.hashOf(old), expiresAt: { $gt: new Date() } },
    { $set: { tokenHash: tokens.hashOf(refreshToken), expiresAt: expiry() } }).lean());
  const user = session && await db(() => User.findById(session.user).lean());
  if (!user || user.status !== 'active') throw new ApiError(401, 'INVALID_TOKEN', 'The token is not valid');
  res.json({ success: true, data: grant(user, session._id, refreshToken) });
}));

router.post('/logout', authenticate, handler(async (req, res) => {
  await db(() => Session.deleteOne({ _id: req.sessionId }));
  res.status(204).end();
}));

router.get('/me', authenticate, (req, res) => {
  res.json({ success: true, data: { user: shown(req.user) } });
});

// For a proxy's auth_request.
router.get('/verify', authenticate, (req, res) => {
  res.set({ 'X-Auth-User': String(req.user._id), 'X-Auth-Session': req.sessionId,
    'X-Auth-Roles': req.user.roles.join(',') }).status(204).end();
});

module.exports = router;
