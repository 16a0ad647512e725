'use strict';
const cluster = require('cluster');
const config = require('./config');

async function serve() {
  const app = require('./app');
  const mongoManager = require('./mongodb-manager');
  await mongoManager.connect();
  const server = app.listen(config.port, config.host);
  server.keepAliveTimeout = 65000; // longer than the proxy's in front
  process.once('SIGTERM', () => {
    server.close(() => mongoManager.disconnect().finally(() => process.exit(0)));
    server.closeIdleConnections();
  });
}

if (!config.jwtSecret) throw new Error('JWT_SECRET is needed');
if (config.clusterWorkers > 1 && cluster.isPrimary) {
  for (let i = 0; i < config.clusterWorkers; i++) cluster.fork();
  process.once('SIGTERM', () => cluster.disconnect(() => process.exit(0)));
} else {
  serve().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
