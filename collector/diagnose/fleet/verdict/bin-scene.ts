import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import type { BadPair, Findings } from './bad-pairs.ts';
import type { Failures } from './failures.ts';
import type { Tracked } from './incident-book.ts';
import type { Names } from './names.ts';
import type { Services } from './services-of-bin.ts';

/** Everything the words and numbers of one bin are made of. */
export type BinScene = {
  view: BinView;
  names: Names;
  failures: Failures;
  services: Services;
  findings: Findings;
  byBlame: ReadonlyMap<Accepted, Tracked>;
};

/** A pair with the views it speaks of. */
export type PairInView = BadPair & { device: DeviceView; app: ApplicationView };
