// better-auth as its documentation sets it up, with bcrypt instead of its scrypt so that a hash costs what it costs the
// others, and without the limits per address. Its cache of sessions in a signed cookie is on: asking who somebody is needs no store then.
import { createServer } from 'node:http';
import bcrypt from 'bcrypt';
import { betterAuth } from 'better-auth';
import { mongodbAdapter } from 'better-auth/adapters/mongodb';
import { toNodeHandler } from 'better-auth/node';
import { MongoClient } from 'mongodb';

const { PORT, MONGODB_URI, SECRET, BCRYPT_ROUNDS } = process.env;
const client = new MongoClient(MONGODB_URI, { maxPoolSize: 50, minPoolSize: 5, writeConcern: { w: 'majority' } });
await client.connect();
const db = client.db();
await db.collection('user').createIndex({ email: 1 }, { unique: true });
await db.collection('session').createIndex({ token: 1 }, { unique: true });
await db.collection('session').createIndex({ userId: 1 });
await db.collection('account').createIndex({ userId: 1 });

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: SECRET,
  database: mongodbAdapter(db),
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => bcrypt.hash(password, Number(BCRYPT_ROUNDS)),
      verify: ({ hash, password }) => bcrypt.compare(password, hash),
    },
  },
  session: { cookieCache: { enabled: true, maxAge: 3600 } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'warn' },
});

const handler = toNodeHandler(auth);
const server = createServer(handler).listen(Number(PORT), '127.0.0.1');
server.keepAliveTimeout = 65000;
