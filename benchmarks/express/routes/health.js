'use strict';
const express = require('express');
const config = require('../config');
const mongoManager = require('../mongodb-manager');

const router = express.Router();
const mb = (bytes) => `${Math.round(bytes / 1024 / 1024)}MB`;

async function details(req, res) { // phase 3.3
  const database = await mongoManager.healthCheck();
  const memory = process.memoryUsage();
  res.json({ status: database.status === 'healthy' ? 'ok' : 'degraded', timestamp: new Date().toISOString(),
    uptime: process.uptime(),
    memory: { rss: mb(memory.rss), heapUsed: mb(memory.heapUsed), heapTotal: mb(memory.heapTotal) }, database });
}

router.get('/health', (req, res, next) => {
  if (config.hasHealthDetails) details(req, res).catch(next);
  else res.json({ status: 'ok', uptime: process.uptime() });
});

module.exports = router;
