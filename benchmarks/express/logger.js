'use strict';
const winston = require('winston');
const config = require('./config');

module.exports = winston.createLogger({
  level: config.logLevel,
  format: winston.format.combine(winston.format.timestamp(), winston.format.errors({ stack: true }),
    winston.format.json()),
  transports: [
    new winston.transports.Console(),
    new winston.transports.File({ filename: config.logFile, ...config.logRotation }),
  ],
});
