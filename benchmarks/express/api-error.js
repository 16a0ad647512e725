'use strict';

// An answer that is not a success: thrown anywhere, sent by app.js.
module.exports = class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
};
