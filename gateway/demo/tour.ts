import type { Scene } from './scene.ts';
import type { Step } from './step.ts';
import { chat } from './steps/chat.ts';
import { crashLosesNothing } from './steps/crash.ts';
import { floodThrottled } from './steps/flood.ts';
import { executiveHidden, presenceSeen } from './steps/presence.ts';
import { proof } from './steps/proof.ts';
import { ready } from './steps/ready.ts';
import { spoofRefused, strangerRefused } from './steps/refusals.ts';
import { sipCall } from './steps/sip-call.ts';
import { sipMessages } from './steps/sip-messages.ts';
import { sipsRefused, spoofedFromRefused } from './steps/sip-refusals.ts';
import { subscription } from './steps/subscription.ts';

/** What the demo shows, in this order. */
export const steps: readonly Step<Scene>[] = [
  ready,
  proof,
  subscription,
  presenceSeen,
  executiveHidden,
  chat,
  spoofRefused,
  floodThrottled,
  strangerRefused,
  sipMessages,
  sipCall,
  sipsRefused,
  spoofedFromRefused,
  crashLosesNothing,
];
