// What each phase of the optimization plan changes. PHASE=0 is the application before it, 3 is after all of it;
// nothing else in the code asks for the phase.
'use strict';

const phase = Number(process.env.PHASE ?? 0);

module.exports = {
  host: process.env.HOST ?? '127.0.0.1',
  port: Number(process.env.PORT ?? 3000),
  mongoUri: process.env.MONGODB_URI ?? 'mongodb://127.0.0.1:27017/express',
  jwtSecret: process.env.JWT_SECRET,
  bcryptRounds: Number(process.env.BCRYPT_ROUNDS ?? 12),
  logFile: process.env.LOG_FILE ?? 'app.log',
  clusterWorkers: Number(process.env.CLUSTER_WORKERS ?? 1), // not in the plan: what more processes bring

  accessTokenSeconds: Number(process.env.ACCESS_TOKEN_SECONDS ?? 15 * 60),
  refreshTokenSeconds: 30 * 24 * 3600,
  loginAttemptsMax: 10,

  // Phase 1: quick wins.
  pool: phase >= 1 ? { maxPoolSize: 50, minPoolSize: 5 } : { maxPoolSize: 10, minPoolSize: 2 },
  requestTimeoutMs: phase >= 1 ? Number(process.env.REQUEST_TIMEOUT_MS ?? 30000) : 0, // 0: none
  logLevel: phase >= 1 ? 'warn' : 'info',
  logRotation: phase >= 1 ? { maxsize: 10 << 20, maxFiles: 5 } : {},
  hasCompression: phase >= 1,

  // Phase 2: concurrency.
  requestsAtATime: phase >= 2 ? 50 : 0, // 0: as many as come
  hasMoreIndexes: phase >= 2,
  hasCache: phase >= 2,

  // Phase 3: architecture.
  bcryptWorkers: phase >= 3 ? 2 : 0, // 0: bcrypt's own use of libuv's threads
  hasBreaker: phase >= 3,
  hasHealthDetails: phase >= 3,
};
