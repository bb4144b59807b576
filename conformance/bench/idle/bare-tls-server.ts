import { createServer } from 'node:tls';

/** A Node TLS server that asks for certificates as the gateway does, and does nothing else; the process prints `ready` when it listens. */
const { cert, key, address, port } = JSON.parse(process.argv[2] ?? '{}');
const sockets = new Set();
const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => {}); // the crowd is gone
  socket.resume();
});
server.listen(port, address, () => console.log('ready'));
