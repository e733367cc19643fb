import { describe, expect, test } from 'vitest';
import { CodedError, errorCode, isCodedError } from '../src/coded-error.ts';

class StorageError extends CodedError<'STORAGE_FULL' | 'STORAGE_GONE'> {}

describe('a coded error', () => {
  test('carries its code, its nouns and whether a retry can help', () => {
    const error = new StorageError('STORAGE_FULL', 'no room', { details: { bytes: 5 }, canRetry: true });
    expect(error).toMatchObject({ name: 'StorageError', code: 'STORAGE_FULL', details: { bytes: 5 }, canRetry: true });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('StorageError: no room');
  });

  test('says nothing that it was not told', () => {
    const error = new StorageError('STORAGE_GONE', 'gone');
    expect(error).toMatchObject({ details: {}, canRetry: false });
    expect('cause' in error).toBe(false);
  });

  test('keeps its cause, and names three of them as JSON', () => {
    const causes = [1, 2, 3, 4].reduceRight<Error | undefined>(
      (cause, n) => new Error(`cause ${n}`, cause === undefined ? undefined : { cause }),
      undefined,
    );
    const error = new StorageError('STORAGE_FULL', 'no room', { cause: causes });
    expect(error.cause).toBe(causes);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'STORAGE_FULL',
      message: 'no room',
      details: {},
      canRetry: false,
      causes: ['cause 1', 'cause 2', 'cause 3'],
    });
  });

  test('is told from other errors', () => {
    expect(isCodedError(new StorageError('STORAGE_FULL', ''))).toBe(true);
    expect(isCodedError(new Error('no room'))).toBe(false);
    expect(isCodedError({ code: 'STORAGE_FULL' })).toBe(false);
  });
});

describe('the code of an error', () => {
  test.for([
    [new StorageError('STORAGE_GONE', ''), 'STORAGE_GONE'],
    [Object.assign(new Error('disk'), { code: 'ENOSPC' }), 'ENOSPC'],
    [Object.assign(new Error('number'), { code: 7 }), undefined],
    [new Error('none'), undefined],
    ['ENOSPC', undefined],
    [null, undefined],
    [undefined, undefined],
  ] as const)('of %s is %s', ([error, code]) => {
    expect(errorCode(error)).toBe(code);
  });
});
