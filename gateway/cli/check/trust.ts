import { loadTrust } from '../../../pki/trust.ts';
import { type Observation, ofThrown, ok, warning } from '../observation.ts';
import { pathText } from '../place-text.ts';
import type { Checked } from './checked.ts';

/** The authorities whose certificates are believed. */
export async function checkTrust({ config, place }: Checked): Promise<Observation[]> {
  const { trust } = config.tls;
  if (trust.length === 0) {
    const message = 'no authority is believed, so no partner can be proven by a certificate';
    return [warning('trust', message, { place: place('tls', 'trust'), remedy: 'list `system`, or PEM files' })];
  }
  const checks = trust.map(async (source, index): Promise<Observation[]> => {
    const at = place('tls', 'trust', index);
    try {
      const anchors = [...(await loadTrust([source])).bySubject.values()].flat();
      const name = source === 'system' ? "the system's store" : pathText(source);
      // The system's store is the system's to keep; an expired authority in it ends no path.
      const expired = source === 'system' ? [] : anchors.filter(({ notAfter }) => notAfter.getTime() < Date.now());
      return [
        ok('trust', `${name}: ${anchors.length} ${anchors.length === 1 ? 'authority' : 'authorities'}`),
        ...expired.map(({ label, notAfter }) =>
          warning('trust', `${label} in ${name} expired on ${notAfter.toISOString().slice(0, 10)}`, {
            place: at,
            remedy: 'ask its owner for the new one, or remove it',
          }),
        ),
      ];
    } catch (thrown) {
      return [ofThrown('trust', thrown, at)];
    }
  });
  return (await Promise.all(checks)).flat();
}
