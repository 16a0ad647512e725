// bcrypt in worker threads, one after the other (phase 3.1).
'use strict';
const path = require('path');
const { Worker } = require('worker_threads');

class BcryptWorkers {
  constructor(count) {
    this.pending = new Map(); // id: what waits for its answer
    this.lastId = 0;
    this.workers = Array.from({ length: count }, () => this.start());
  }

  start() {
    const worker = new Worker(path.join(__dirname, 'bcrypt-worker-thread.js'));
    worker.on('message', ({ id, result, error }) => {
      const { resolve, reject } = this.pending.get(id);
      this.pending.delete(id);
      if (error) reject(new Error(error)); else resolve(result);
    });
    worker.on('error', (error) => { throw error; }); // a supervisor starts the process anew
    return worker;
  }

  run(operation, ...args) {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.workers[id % this.workers.length].postMessage({ id, operation, args });
    });
  }

  hash(password, rounds) { return this.run('hashSync', password, rounds); }
  compare(password, hash) { return this.run('compareSync', password, hash); }
}

module.exports = BcryptWorkers;
