'use strict';
const mongoose = require('mongoose');
const config = require('./config');

// Reads and writes as MongoDB Atlas gives them to an application: acknowledged by a majority.
async function connect() {
  mongoose.set('autoIndex', false);
  await mongoose.connect(config.mongoUri, { ...config.pool, writeConcern: { w: 'majority' } });
  for (const model of Object.values(mongoose.models)) await model.createIndexes();
}

async function healthCheck() {
  const began = Date.now();
  try {
    await mongoose.connection.db.admin().ping();
    return { status: 'healthy', latencyMs: Date.now() - began };
  } catch (error) {
    return { status: 'unhealthy', error: error.message };
  }
}

module.exports = { connect, healthCheck, disconnect: () => mongoose.disconnect() };
