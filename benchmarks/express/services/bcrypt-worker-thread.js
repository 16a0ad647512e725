'use strict';
const { parentPort } = require('worker_threads');
const bcrypt = require('bcrypt');

parentPort.on('message', ({ id, operation, args }) => {
  try {
    parentPort.postMessage({ id, result: bcrypt[operation](...args) });
  } catch (error) {
    parentPort.postMessage({ id, error: error.message });
  }
});
