// So many requests at a time, the others wait in line (phase 2.1; in memory, as there is one process).
'use strict';
const { default: PQueue } = require('p-queue');
const config = require('../config');

const queue = new PQueue({ concurrency: config.requestsAtATime });

module.exports = (req, res, next) => {
  queue.add(() => new Promise((done) => {
    if (res.writableEnded || res.destroyed) { // it timed out, or the client is gone
      done();
      return;
    }
    res.once('close', done);
    next();
  }));
};
