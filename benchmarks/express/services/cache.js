// Users by id (phase 2.3). Without it every request asks the database.
'use strict';
const NodeCache = require('node-cache');
const config = require('../config');

const none = { get: () => undefined, set: () => false, del: () => 0 };
const cache = config.hasCache
  ? new NodeCache({ stdTTL: 600, checkperiod: 120, maxKeys: 1000, useClones: false })
  : none;

module.exports = {
  get: (id) => cache.get(id),
  del: (id) => cache.del(id),
  set(id, user) {
    try {
      cache.set(id, user);
    } catch { /* full: node-cache says so by throwing; the user is read again next time */ }
  },
};
