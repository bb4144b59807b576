import { hostText, type NamedServer } from './named-server.ts';

/** What decides how a trunk is written down. */
export interface TrunkPlan {
  /** SIP servers that the policy must name, as the gateway would not find them. */
  readonly hosts: readonly NamedServer[];
  /** A home domain: the one that the partner is shown. */
  readonly home: string;
  /** Whether a trunk shows another home domain where its policy does not say. */
  readonly homeChosen: boolean;
}

const ADDRESSES =
  '# addresses: ["192.0.2.0/24"]     # its connections come from there only, besides what its certificate proves';

/** The `trunk` section of a first policy: what must be said, and what narrows it. */
export function trunkYaml({ hosts, home, homeChosen }: TrunkPlan): string[] {
  const said = [
    ...(hosts.length === 0 ? [] : [`hosts: [${hosts.map((host) => JSON.stringify(hostText(host))).join(', ')}]`]),
    ...(homeChosen ? [`as: ${JSON.stringify(home)}`] : []),
  ];
  if (said.length === 0)
    return ['# trunk:                            # DNS tells where its servers are', `#   ${ADDRESSES.slice(2)}`];
  return ['trunk:', ...said.map((line) => `  ${line}`), `  ${ADDRESSES}`];
}
