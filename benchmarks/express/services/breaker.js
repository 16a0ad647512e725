// Every call of the database goes through db(); phase 3.2 puts a circuit breaker around it.
'use strict';
const CircuitBreaker = require('opossum');
const config = require('../config');
const ApiError = require('../api-error');

const DUPLICATE_KEY = 11000; // an answer, not a failure

function withBreaker() {
  const breaker = new CircuitBreaker((operation) => operation(), {
    timeout: 5000,
    errorThresholdPercentage: 50,
    resetTimeout: 30000,
    errorFilter: (error) => error.code === DUPLICATE_KEY,
  });
  return async (operation) => {
    try {
      return await breaker.fire(operation);
    } catch (error) {
      if (error.code === 'EOPENBREAKER' || error.code === 'ETIMEDOUT') {
        throw new ApiError(503, 'STORE_UNAVAILABLE', 'Service temporarily unavailable');
      }
      throw error;
    }
  };
}

module.exports = { db: config.hasBreaker ? withBreaker() : (operation) => operation(), DUPLICATE_KEY };
