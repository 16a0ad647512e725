'use strict';
const compression = require('compression');
const express = require('express');
const helmet = require('helmet');
const config = require('./config');
const ApiError = require('./api-error');
const logger = require('./logger');

const app = express();
app.disable('x-powered-by');
app.use(require('./middleware/request-log'));
app.use(helmet());
if (config.requestTimeoutMs) app.use(require('./middleware/timeouts'));
if (config.requestsAtATime) app.use('/api', require('./middleware/request-queue')); // not the health check
app.use(express.json({ limit: '64kb' }));
if (config.hasCompression) app.use(compression({ level: 6, threshold: 1024 }));
app.use(require('./routes/health'));
app.use('/api/auth', require('./routes/auth'));
app.use((req, res, next) => next(new ApiError(404, 'NOT_FOUND', 'There is nothing here')));

app.use((error, req, res, next) => { // eslint-disable-line no-unused-vars
  if (res.headersSent) return; // it timed out meanwhile
  const status = error.status ?? 500;
  if (status === 500) logger.error(error);
  res.status(status).json({ success: false, error: error.code ?? (status === 500 ? 'INTERNAL' : 'BAD_REQUEST'),
    message: status === 500 ? 'Something went wrong' : error.message });
});

module.exports = app;
