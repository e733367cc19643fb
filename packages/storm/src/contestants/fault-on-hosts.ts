import type { StormFault } from '@quarry/scenario';
import type { Stage } from '../contestant.ts';
import type { HostProcesses } from './host-processes.ts';

/**
 * What faults do to processes in hosts, whatever they are: they die or stand still. A host that is restarted begins with nothing, and what lies, or whose CPU is
 * slow, is Quarry's and the simulator's alone. False: it means nothing here.
 */
export async function faultOnHosts(
  { clock, lifecycle }: Pick<Stage, 'clock' | 'lifecycle'>,
  processes: HostProcesses,
  fault: StormFault,
): Promise<boolean> {
  switch (fault.kind) {
    case 'kill':
      await processes.kill(fault.host);
      return true;
    case 'stall':
      processes.setStalled(fault.host, true);
      if (fault.untilMs < Infinity) {
        const goOn = (): void => processes.setStalled(fault.host, false);
        lifecycle.onClose('a stall', clock.after(fault.untilMs - fault.atMs, goOn));
      }
      return true;
    case 'slowLink':
    case 'partition':
    case 'originFails':
      return true; // the harness's
    case 'restart':
    case 'lie':
    case 'seedersLeave':
    case 'slowCpu':
      return false;
  }
}
