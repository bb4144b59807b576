import { resolve } from 'node:path';
import { z } from 'zod';
import { duration } from '../../policies/units.ts';
import { edges } from './edges.ts';
import { listenAddress, nameServer } from './endpoint.ts';
import { home } from './home.ts';
import { outbox, store } from './store.ts';

/** Most certificates and most trust anchors named. */
const FILES = 1_000;
/** Most DNS servers: they are asked in turn. */
const SERVERS = 16;

const path = (base: string) =>
  z
    .string()
    .min(1)
    .max(4_096)
    .transform((written) => resolve(base, written))
    .meta({ title: 'path' });

const tls = (base: string) =>
  z
    .strictObject({
      certificates: z
        .array(
          z.strictObject({
            cert: path(base).describe('PEM file of the certificate, followed by its chain.'),
            key: path(base).describe('PEM file of its private key.'),
          }),
        )
        .max(FILES)
        .prefault([])
        .describe('Our certificates, chosen by domain; reloaded on change.'),
      trust: z
        .array(
          z
            .string()
            .min(1)
            .transform((written) => (written === 'system' ? written : resolve(base, written)))
            .meta({ title: '`system` or path' }),
        )
        .max(FILES)
        .prefault(['system'])
        .describe("Whose certificates are believed: `system` for the system's authorities, or PEM files."),
    })
    .prefault({})
    .describe('Our certificates, and whose we believe.');

const dns = z
  .strictObject({
    servers: z
      .array(nameServer)
      .min(1)
      .max(SERVERS)
      .optional()
      .describe("Recursive servers, in the order to ask. Without this key the system's."),
    dnssec: z
      .enum(['off', 'trust-ad', 'validate'])
      .prefault('trust-ad')
      .describe(
        '`trust-ad` believes the AD bit of a server on loopback or among `trusted`; `off` calls every answer insecure; ' +
          '`validate` warns and counts as `off`: this build does not validate itself yet.',
      ),
    trusted: z
      .array(nameServer)
      .max(SERVERS)
      .prefault([])
      .describe('Servers beyond loopback whose AD bit is believed.'),
    timeout: duration('1s', '2min').prefault('12s').describe('How long one lookup may take, all retries together.'),
  })
  .prefault({})
  .describe('How names are looked up.');

/** The schema of gateway.yaml; `base` is the folder that relative paths start from. Durations in ms, sizes in bytes. */
export const gatewaySchema = (base: string) =>
  z
    .strictObject({
      state: path(base).prefault('./state').describe('Folder of database, keys and spool; created with mode 0700.'),
      policies: path(base)
        .prefault('./policies')
        .describe('Folder of policies: one file per partner, and defaults.yaml.'),
      home: home(base),
      edges: edges(base),
      tls: tls(base),
      dns,
      store,
      outbox,
      admin: z
        .strictObject({ listen: listenAddress.describe('Where metrics are served over HTTP; keep it on loopback.') })
        .optional()
        .describe('The administrative HTTP listener. Without this section there is none.'),
      log: z
        .strictObject({
          level: z
            .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
            .default('info')
            .describe('The least severe line that is written.'),
          file: path(base).optional().describe('File that log lines are appended to. Without this key standard error.'),
        })
        .prefault({})
        .describe('The log, one JSON object a line.'),
    })
    .describe('gateway.yaml: paths are relative to the file.');

/** JSON Schema (2020-12) of gateway.yaml, for editors. */
export function gatewayJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(gatewaySchema('.'), { io: 'input' }) as Record<string, unknown>;
}
