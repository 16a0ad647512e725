'use strict';
const { Schema, model } = require('mongoose');
const config = require('../config');

const userSchema = new Schema({
  email: { type: String, required: true, unique: true, lowercase: true, trim: true },
  password: { type: String, required: true, select: false },
  name: { type: String, trim: true },
  status: { type: String, enum: ['active', 'suspended'], default: 'active' },
  roles: { type: [String], default: ['user'] },
  loginAttempts: { count: { type: Number, default: 0 }, lastAttempt: Date },
  lastLogin: Date,
}, { timestamps: true });

if (config.hasMoreIndexes) userSchema.index({ status: 1 }).index({ 'loginAttempts.count': 1 });

module.exports = model('User', userSchema);
