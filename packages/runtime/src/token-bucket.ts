/**
 * A rate limit as pure arithmetic: who takes more than is there goes into debt and is told how long to wait.
 * The caller waits; the bucket never does, so it works under a virtual clock and across several waiters.
 */
export interface TokenBucket {
  /** Takes `tokens` at `nowMs` and returns the milliseconds after which the taker may act (0 = now). Later takers queue behind the debt. */
  take(nowMs: number, tokens: number): number;
  /** Gives back what was taken and not used. */
  refund(tokens: number): void;
  /** Changes the rate from `nowMs` on; `Infinity` lifts the limit. Debt is kept, and paid at the new rate. */
  setRate(nowMs: number, tokensPerSecond: number): void;
  readonly tokensPerSecond: number;
}

/** `burst` is how many tokens may be saved up while nobody takes. Starts full. */
export function createTokenBucket(options: {
  readonly tokensPerSecond: number;
  readonly burst: number;
  readonly nowMs: number;
}): TokenBucket {
  let rate = checkedRate(options.tokensPerSecond);
  let level = checkAmount('burst', options.burst);
  let at = options.nowMs;
  const settle = (nowMs: number): void => {
    if (nowMs <= at) return;
    level = rate === Infinity ? options.burst : Math.min(options.burst, level + ((nowMs - at) * rate) / 1000);
    at = nowMs;
  };
  return {
    take(nowMs, tokens) {
      checkAmount('tokens', tokens);
      settle(nowMs);
      if (rate === Infinity) return 0;
      level -= tokens;
      return level >= 0 ? 0 : (-level / rate) * 1000;
    },
    refund(tokens) {
      checkAmount('tokens', tokens);
      level = Math.min(options.burst, level + tokens);
    },
    setRate(nowMs, tokensPerSecond) {
      settle(nowMs);
      rate = checkedRate(tokensPerSecond);
    },
    get tokensPerSecond() {
      return rate;
    },
  };
}

function checkAmount(name: string, amount: number): number {
  if (!(amount >= 0)) throw new TypeError(`${name} is a number from 0, not ${amount}`); // one NaN would stay in the level for ever
  return amount;
}

function checkedRate(tokensPerSecond: number): number {
  if (!(tokensPerSecond > 0)) throw new TypeError(`a rate is a positive number, not ${tokensPerSecond}`);
  return tokensPerSecond;
}
