'use strict';
const bcrypt = require('bcrypt');
const config = require('../config');
const BcryptWorkers = require('./bcrypt-workers');

module.exports = config.bcryptWorkers ? new BcryptWorkers(config.bcryptWorkers) : bcrypt; // hash(), compare()
