// After the fault tests: how many cases ran on which database. Their titles end with its name in parentheses.
export default class CountCases {
  onRunComplete(_contexts, { testResults }) {
    const counts = new Map()
    for (const { testFilePath, testResults: tests } of testResults) {
      if (!/[\\/]test[\\/]faults[\\/]/.test(testFilePath)) continue
      for (const { title, status } of tests) {
        const database = /\((sqlite|postgresql|mysql)\)$/.exec(title)?.[1]
        if (!database) continue
        const count = counts.get(database) ?? { passed: 0, failed: 0, pending: 0 }
        count[status] = (count[status] ?? 0) + 1
        counts.set(database, count)
      }
    }
    if (counts.size === 0) return
    const lines = [...counts].sort().map(([database, { passed, failed, pending }]) => {
      const more = [failed && `${failed} failed`, pending && `${pending} skipped`].filter(Boolean)
      return `  ${database}: ${passed} passed${more.length > 0 ? `, ${more.join(', ')}` : ''}`
    })
    process.stderr.write(`\nFault cases:\n${lines.join('\n')}\n`)
  }
}
