'use strict';
const logger = require('../logger');

module.exports = (req, res, next) => {
  if (!logger.isInfoEnabled()) {
    next();
    return;
  }
  const began = process.hrtime.bigint();
  res.once('finish', () => logger.info('request', {
    method: req.method, url: req.originalUrl, status: res.statusCode, ip: req.ip, agent: req.get('User-Agent'),
    ms: Number(process.hrtime.bigint() - began) / 1e6,
  }));
  next();
};
