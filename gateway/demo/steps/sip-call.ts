import { having } from '../log-line.ts';
import type { CallEvent } from '../pbx.ts';
import type { Scene } from '../scene.ts';
import { audioAt } from '../session-description.ts';
import type { Step } from '../step.ts';
import { statusText } from './status-text.ts';

export const sipCall: Step<Scene> = {
  name: 'a SIP call to the PBX',
  expected:
    "dora's INVITE rings at the PBX (180), is answered there and acknowledged (ACK), with both sides' media as they were sent; her BYE ends the call",
  async look({ contoso, northwind, pbx, cast: { alice } }, signal) {
    const before = { pbx: pbx.heard.mark(), log: contoso.daemon.log.mark(), clock: performance.now() };
    const heard = (method: CallEvent['method']): Promise<CallEvent> =>
      pbx.heard.find(`${method} at the PBX`, (event) => event.method === method, before.pbx, signal);
    const offer = audioAt(northwind.address);
    const statuses: number[] = [];
    const call = northwind.call(`sip:${alice.bareJid}`, offer, signal);
    call.onProgress = ({ status }) => statuses.push(status);
    const result = await call.result;
    if (!result.ok) return { holds: false, seen: `INVITE: ${[...statuses, statusText(result.reply)].join(', ')}` };
    const ms = (performance.now() - before.clock).toFixed(1);
    const { from, target, offer: offered } = await heard('INVITE');
    await heard('ACK');
    await result.session.end();
    await heard('BYE');
    const ended = having({ event: 'call-ended', partner: northwind.domain });
    const { outcome } = await contoso.daemon.log.find('the end of the call in the log', ended, before.log, signal);
    const media = offered === offer && result.sdp === pbx.sdp;
    return {
      holds: media && statuses.includes(180) && from === northwind.uri && outcome === 'ended',
      seen:
        `INVITE ${target} From ${from}: ${statuses.join(', ') || 'no ringing'}, answered in ${ms} ms, ACK; ` +
        `media ${media ? 'as sent each way' : 'changed on the way'}; BYE; log: call ${outcome}`,
    };
  },
};
