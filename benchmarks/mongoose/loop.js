// The calls of mongo_loop.c as an application makes them with mongoose: node loop.js URI SECONDS CALLS.
'use strict';
const mongoose = require('mongoose');
const { randomBytes } = require('crypto');

const ACCOUNTS = 200;
const [uri, seconds, calls] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const userSchema = new mongoose.Schema({
  _id: String, email: { type: String, unique: true }, name: String, password: String, roles: [String],
  status: String, lastLogin: Date,
}, { timestamps: true });
const sessionSchema = new mongoose.Schema({
  _id: String, user: { type: String, index: true }, agent: String, address: String, usedAt: Date,
  tokens: [{ _id: false, h: { type: Buffer, unique: true }, c: Date }],
}, { timestamps: true });
const User = mongoose.model('User', userSchema);
const Session = mongoose.model('Session', sessionSchema);

function session(id, user, token) {
  return new Session({ _id: id, user, agent: 'agent', address: '192.0.2.1', usedAt: new Date(),
    tokens: [{ h: token, c: new Date() }] });
}

// tokens[i] is the one that session i has now: only call (i % calls) touches it.
const tokens = [];
let logins = 0;

const operations = {
  async account_find(i) {
    return await User.findOne({ email: `user${i}@example.org` });
  },
  async session_find(i) {
    const found = await Session.findById(`session${i}`);
    return found && await User.findById(found.user);
  },
  async refresh(i) {
    const now = new Date(), token = randomBytes(32);
    const done = await Session.findOneAndUpdate({ 'tokens.h': tokens[i] },
      { $set: { usedAt: now, tokens: [{ h: token, c: now }] } });
    tokens[i] = token;
    return done;
  },
  async login(i) {
    const done = await User.updateOne({ _id: `id${i}` }, { $set: { lastLogin: new Date() } });
    await session(`login${logins++}`, `id${i}`, randomBytes(32)).save();
    return done.matchedCount === 1;
  },
};

async function measure(name) {
  const end = performance.now() + seconds * 1000, began = performance.now(), cpu = process.cpuUsage();
  let done = 0;
  await Promise.all(Array.from({ length: calls }, async (_, mine) => {
    for (let i = mine; performance.now() < end; i = i + calls < ACCOUNTS ? i + calls : mine) {
      if (!await operations[name](i)) throw new Error(`${name} has found nothing`);
      done++;
    }
  }));
  const used = process.cpuUsage(cpu), elapsed = (performance.now() - began) / 1000;
  console.log(name, (done / elapsed).toFixed(1), ((used.user + used.system) / done).toFixed(1));
}

async function main() {
  await mongoose.connect(uri, { maxPoolSize: calls, writeConcern: { w: 'majority' }, readConcernLevel: 'majority' });
  await User.init();
  await Session.init();
  for (let i = 0; i < ACCOUNTS; i++) {
    tokens.push(randomBytes(32));
    await new User({ _id: `id${i}`, email: `user${i}@example.org`, name: 'User', password: 'hash', roles: ['user'],
      status: 'active' }).save();
    await session(`session${i}`, `id${i}`, tokens[i]).save();
  }
  for (const name of Object.keys(operations)) await measure(name);
  await mongoose.disconnect();
}

main().catch((error) => { console.error(error.message); process.exit(1); });
