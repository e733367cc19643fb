import { downloadScenarios } from './download-scenarios.ts';
import { novaScenarios } from './nova-scenarios.ts';
import { permissionScenarios } from './permission-scenarios.ts';
import { recordScenarios } from './record-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { uploadScenarios } from './upload-scenarios.ts';

/** All that is done straight to Glance and through Quarry, and must not be told apart. */
export const scenarios: readonly Scenario[] = [
  ...novaScenarios,
  ...downloadScenarios,
  ...permissionScenarios,
  ...uploadScenarios,
  ...recordScenarios,
];
