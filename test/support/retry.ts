/**
 * Tests against real servers and processes share a machine with others: what fails is run once more, and the first
 * failure is printed all the same. A promise that does not hold fails twice.
 */
import { jest } from '@jest/globals'

jest.retryTimes(1, { logErrorsBeforeRetry: true })
