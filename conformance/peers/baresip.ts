import { mkdir, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { type KeyPair, writeAuthority, writeKeyPair } from './authority.ts';
import { Inbox, type NextOptions } from './inbox.ts';
import { Lines } from './lines.ts';
import type { Nameserver } from './peer.ts';
import { ServerProcess } from './process.ts';

export interface BaresipOptions {
  /** `sip:bob@p.example`. */
  readonly uri: string;
  /** The loopback address of its SIP, RTP and control ports. */
  readonly address: string;
  readonly ports: { readonly sip: number; readonly control: number };
  /** Where it registers, and sends everything. */
  readonly proxy: { readonly address: string; readonly port: number; readonly tls: boolean };
  /** An existing folder of its own; whoever made it removes it. */
  readonly folder: string;
  readonly nameserver: Nameserver;
  readonly authorityPem: string;
  readonly certificate: KeyPair;
  /** false: it does not register, as a phone whose PBX knows where it is; true when left out. */
  readonly register?: boolean | undefined;
  /** Answers by itself; the test does when left out. */
  readonly answer?: 'manual' | 'auto' | undefined;
}

/** What baresip tells of a call or of its registration. */
export interface PhoneEvent {
  /** Such as `CALL_INCOMING`, `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED`, `REGISTER_OK`. */
  readonly type: string;
  readonly peeruri?: string;
  /** The Call-ID. */
  readonly id?: string;
  /** Why a call was closed, among others. */
  readonly param?: string;
}

/** Where Debian keeps them. */
const modulePath = '/usr/lib/baresip/modules';
/** A port is even, its neighbour is RTCP's. */
const rtpPorts = '20000-30000';

/** A real phone that no one here wrote: baresip 1.0, with a bridge in place of microphone and loudspeaker. It cannot send MESSAGEs. */
export class Baresip {
  readonly log = new Lines();
  readonly events = new Inbox<PhoneEvent>('events', (event) => JSON.stringify(event));
  /** MESSAGEs that it showed to its user. */
  readonly messages = new Inbox<{ readonly from: string; readonly text: string }>('messages', ({ text }) => text);
  readonly #answers = new Inbox<{ readonly ok: boolean; readonly data: string; readonly token: string }>(
    'answers',
    ({ data }) => data,
  );
  readonly #options: BaresipOptions;
  #server: ServerProcess | undefined;
  #control: Socket | undefined;
  #commands = 0;

  /** Resolves when it has registered, where it is to. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    const phone = new Baresip(options);
    await phone.#start();
    return phone;
  }

  private constructor(options: BaresipOptions) {
    this.#options = options;
  }

  get uri(): string {
    return this.#options.uri;
  }

  /** Rejects where the phone cannot; resolves with what it prints otherwise. */
  async command(command: string, params?: string): Promise<string> {
    this.#commands += 1;
    const token = String(this.#commands);
    const text = JSON.stringify({ command, ...(params === undefined ? {} : { params }), token });
    this.#control?.write(`${Buffer.byteLength(text)}:${text},`);
    const { ok, data } = await this.#answers.next((answer) => answer.token === token);
    if (!ok) throw new Error(`baresip ${command}: ${data}`);
    return data;
  }

  async dial(uri: string): Promise<void> {
    await this.command('dial', uri);
  }

  async answer(): Promise<void> {
    await this.command('accept');
  }

  async hangUp(): Promise<void> {
    await this.command('hangup');
  }

  async hold(): Promise<void> {
    await this.command('hold');
  }

  async resume(): Promise<void> {
    await this.command('resume');
  }

  /** Sends the peer of its call elsewhere, by REFER. */
  async transfer(uri: string): Promise<void> {
    await this.command('transfer', uri);
  }

  /** The next event of this type. */
  event(type: string, options?: NextOptions): Promise<PhoneEvent> {
    return this.events.next((event) => event.type === type, options);
  }

  async close(): Promise<void> {
    this.#control?.destroy();
    this.#server?.kill();
    await this.#server?.exit;
  }

  async #start(): Promise<void> {
    const { folder, address, ports, uri, register = true } = this.#options;
    await mkdir(folder, { recursive: true });
    await writeAuthority(folder, this.#options.authorityPem);
    await writeKeyPair(folder, 'phone', this.#options.certificate);
    await writeFile(join(folder, 'config'), configuration(this.#options));
    await writeFile(join(folder, 'accounts'), `${account(this.#options)}\n`);
    await writeFile(join(folder, 'contacts'), '');
    this.#server = await ServerProcess.start(
      {
        name: `baresip ${uri}`,
        command: 'baresip',
        args: ['-4', '-v', '-s', '-f', folder],
        cwd: folder,
        env: { HOME: folder },
        ready: [/baresip is ready/, { address, port: ports.control }],
      },
      this.#watched(),
    );
    await this.#attach();
    if (register) await this.log.waitFor(/ 200 .* \[\d+ bindings?\]/);
  }

  /** Its log, and what of it is a message to the user. */
  #watched(): Lines {
    const add = this.log.add.bind(this.log);
    this.log.add = (line) => {
      const plain = stripVTControlCharacters(line);
      add(plain);
      const [, from, text] = /(sips?:[^\s"]+): "(.*)"$/.exec(plain) ?? [];
      if (from !== undefined && text !== undefined) this.messages.add({ from, text });
    };
    return this.log;
  }

  async #attach(): Promise<void> {
    const { address, ports } = this.#options;
    const control = connect(ports.control, address);
    this.#control = control;
    let unread = Buffer.alloc(0);
    control.on('error', () => {}); // the phone is gone: whatever waits for it says so
    control.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      for (;;) {
        const colon = unread.indexOf(':');
        const end = colon + 1 + Number(unread.subarray(0, colon).toString());
        if (colon < 0 || unread.length < end + 1) return;
        this.#told(JSON.parse(unread.subarray(colon + 1, end).toString()));
        unread = unread.subarray(end + 1);
      }
    });
    await this.command('uuid');
  }

  #told(news: PhoneEvent & { event?: boolean; ok: boolean; data: string; token: string }): void {
    if (news.event) this.events.add(news);
    else this.#answers.add(news);
  }
}

function configuration({ address, ports, folder, nameserver }: BaresipOptions): string {
  return `poll_method epoll
sip_listen ${address}:${ports.sip}
sip_certificate ${folder}/phone.pem
sip_cafile ${folder}/ca.crt
call_local_timeout 120
call_max_calls 8
audio_player aubridge,none
audio_source aubridge,none
audio_alert aubridge,none
rtp_ports ${rtpPorts}
net_interface ${address}
dns_server ${nameserver.address}:${nameserver.port}
module_path ${modulePath}
module stdio.so
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app debug_cmd.so
module_app ctrl_tcp.so
ctrl_tcp_listen ${address}:${ports.control}
`;
}

function account({ uri, proxy, register = true, answer = 'manual' }: BaresipOptions): string {
  const transport = `transport=${proxy.tls ? 'tls' : 'tcp'}`;
  return (
    `<${uri};${transport}>;outbound="sip:${proxy.address}:${proxy.port};${transport}"` +
    `;regint=${register ? 600 : 0};answermode=${answer};auth_pass=none`
  );
}
