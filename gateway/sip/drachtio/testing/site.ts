import type { ReasonCode } from '../../../../policies/reasons.ts';
import type { Evidence } from '../../../bridge/ports.ts';
import type { Answer, InCall, InRequest, Notifier, SipHandlers, Trunk } from '../../port.ts';
import type { Clock } from '../../transaction/clock.ts';
import type { TrunkOptions } from '../../trunk/trunk-options.ts';
import { type DrachtioServer, DrachtioStack } from '../stack.ts';
import { Inbox } from './frames.ts';
import { type StandInOptions, StandInServer } from './stand-in-server.ts';

export const partnerTrunk: TrunkOptions = {
  id: 'p',
  kind: 'partner',
  domain: 'p.example',
  domains: ['*.p.example'],
  targets: [{ host: '192.0.2.7', port: 5061 }],
  tls: true,
  addresses: ['192.0.2.0/28'],
  localDomain: 'h.example',
  options: { pingMs: 0 },
};

export const homeTrunk: TrunkOptions = {
  id: 'pbx',
  kind: 'home',
  domain: 'h.example',
  domains: ['h.example'],
  targets: [{ host: '127.0.0.1', port: 5060 }],
  tls: false,
  localDomain: 'h.example',
  options: { pingMs: 0 },
};

export interface SiteOptions {
  readonly server?: Partial<DrachtioServer>;
  readonly standIn?: StandInOptions;
  readonly trunks?: readonly TrunkOptions[];
  readonly limits?: ConstructorParameters<typeof DrachtioStack>[0]['limits'];
  readonly clock?: Clock;
  readonly trusted?: boolean;
}

/** A stack before a stand-in for its server, with handlers that hand on what comes. */
export class Site {
  readonly server: StandInServer;
  readonly stack: DrachtioStack;
  readonly calls = new Inbox<InCall>();
  readonly requests = new Inbox<InRequest>();
  readonly notifiers = new Inbox<Notifier>();
  readonly turns: string[] = [];
  readonly turned = new Inbox<string>();
  readonly refusals: { reason: ReasonCode; fields: Record<string, unknown> }[] = [];
  readonly evidence: Evidence[] = [];
  answer: (request: InRequest) => Promise<Answer> = () => Promise.resolve({ status: 200 });
  granted = 60;

  static async start(options: SiteOptions = {}): Promise<Site> {
    const site = new Site(await StandInServer.start(options.standIn), options);
    await site.stack.start(site.handlers);
    return site;
  }

  constructor(server: StandInServer, { trunks = [partnerTrunk, homeTrunk], ...options }: SiteOptions = {}) {
    this.server = server;
    this.stack = new DrachtioStack({
      server: {
        host: '127.0.0.1',
        port: server.port,
        secret: () => Promise.resolve(server.secret),
        peersProvenBy: 'administrator',
        ...options.server,
      },
      trunks,
      trust: (_domain, evidence) => {
        this.evidence.push(...evidence);
        return {
          sufficient: options.trusted ?? true,
          reason: options.trusted === false ? 'trust-insufficient' : 'allowed',
        };
      },
      journal: {
        note: () => undefined,
        refuse: (_event, reason, fields) => this.refusals.push({ reason, fields }),
      },
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      clock: options.clock,
    });
  }

  get handlers(): SipHandlers {
    return {
      invite: (call) => this.calls.put(call),
      request: (request) => {
        this.requests.put(request);
        return this.answer(request);
      },
      subscribe: (request) => {
        this.requests.put(request);
        return Promise.resolve({
          accept: true,
          expires: this.granted,
          notifier: (notifier) => this.notifiers.put(notifier),
        });
      },
      trunk: (trunk, state) => {
        this.turns.push(`${trunk.id} ${state}`);
        this.turned.put(`${trunk.id} ${state}`);
      },
    };
  }

  get trunk(): Trunk {
    const trunk = this.stack.trunkFor('p.example');
    if (trunk === undefined) throw new Error('There is no trunk.');
    return trunk;
  }

  /** The stack has seen all that the server told it before. */
  async caughtUp(): Promise<void> {
    await this.server.receive('MESSAGE', { from: '<sip:nobody@evil.example>;tag=1' }).responses.next();
    this.refusals.pop();
  }

  async close(): Promise<void> {
    await this.stack.close();
    await this.server.close();
  }
}
