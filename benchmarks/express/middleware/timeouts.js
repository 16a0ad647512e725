// Requests that take too long get an answer (phase 1.2).
'use strict';
const config = require('../config');

module.exports = (req, res, next) => {
  req.setTimeout(config.requestTimeoutMs, () => {
    if (res.headersSent) return;
    res.status(408).json({ success: false, error: 'REQUEST_TIMEOUT', message: 'Request took too long to process' });
  });
  res.setTimeout(config.requestTimeoutMs, () => {
    if (res.headersSent) return;
    res.status(503).json({ success: false, error: 'SERVICE_UNAVAILABLE', message: 'Server is overloaded' });
  });
  next();
};
