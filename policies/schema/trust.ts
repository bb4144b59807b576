import { z } from 'zod';

/** How a partner can prove that a domain is its own. */
export const proofKinds = ['certificate', 'dane', 'posh', 'dialback'] as const;

/** One way of proof: a certificate by PKIX, by DANE (RFC 7672, 7673), by POSH (RFC 7711), or dialback (XEP-0220). */
export type ProofKind = (typeof proofKinds)[number];

const methods = z.array(z.enum(proofKinds)).min(1).max(proofKinds.length);

export const trust = z
  .strictObject({
    accept: z
      .union([methods, z.strictObject({ all: methods.describe('Proofs that must all be there.') })], {
        error: 'expected a list of proofs or `{ all: [...] }`',
      })
      .describe(
        `Proofs of identity: a list of which any one suffices, or \`{ all: [...] }\` which demands every one. ` +
          `Proofs: ${proofKinds.join(', ')}.`,
      ),
  })
  .describe('What proves that a stream belongs to the partner. Without this section nothing does.');
