import { TestNet } from './edge.fixture.ts';
import { message } from './recording.fixture.ts';

/** Run as a process of its own: two edges meet and close. Whoever leaves a handle behind keeps it from ending. */
const net = await TestNet.start();
const proof = process.argv[2] === 'dialback' ? 'dialback' : 'certificate';
const [one, two] = await Promise.all([
  net.edge({ domains: ['a.example'], accepts: [proof] }),
  net.edge({ domains: ['b.example'], accepts: [proof] }),
]);
one.edge.send('a.example', 'b.example', message('u@a.example', 'v@b.example', '1'));
await two.host.ids(1);
// One that nobody answers, and one that waits to try again.
one.edge.send('a.example', 'nowhere.example', message('u@a.example', 'v@nowhere.example', '2'));
net.publish('refusing.example', 9);
one.edge.send('a.example', 'refusing.example', message('u@a.example', 'v@refusing.example', '3'));
await one.journal.seen({ event: 'partner-unreachable', partner: 'refusing.example' });
await Promise.all([one.edge.close(), one.edge.close()]);
await net.close();
process.stdout.write('closed');
