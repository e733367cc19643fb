import { cpuSecondsOf, peakRssMiBOf, treeOf } from '../run/process-readings.ts';

export interface Usage {
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** CPU time of a process and all its descendants that still live, and the memory of the largest of them, from /proc: in steps of 10 ms. */
export async function usageOfTree(pid: number): Promise<Usage> {
  const members = await treeOf(pid);
  const usages = await Promise.all(
    members.map(async (member) => [await cpuSecondsOf(member), await peakRssMiBOf(member)] as const),
  );
  return usages.reduce(
    (sum, [cpu, peakRssMiB]) => ({
      cpuSeconds: sum.cpuSeconds + cpu.own,
      peakRssMiB: Math.max(sum.peakRssMiB, peakRssMiB),
    }),
    { cpuSeconds: 0, peakRssMiB: 0 },
  );
}
