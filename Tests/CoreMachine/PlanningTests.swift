import CoreMachine
import Testing

@Suite struct PlanningTests {
  @Test func retriesBackOffAndEnd() {
    let policy = RetryPolicy(maximumAttempts: 4, base: .seconds(2), cap: .seconds(5), jitter: 0.5)
    #expect(policy.delay(afterFailures: 1, random: 0.5) == .seconds(2))
    #expect(policy.delay(afterFailures: 2, random: 0.5) == .seconds(4))
    #expect(policy.delay(afterFailures: 3, random: 0.5) == .seconds(5))
    #expect(policy.delay(afterFailures: 4, random: 0.5) == nil)
    #expect(policy.delay(afterFailures: 1, random: 0) == .seconds(1))
    #expect(policy.delay(afterFailures: 1000, random: 0) == nil)
  }

  @Test func timeLimitsGrowWithTheInput() {
    let limit = TimeLimit(base: .seconds(10), perByte: .microseconds(1))
    #expect(limit.limit(bytes: 5_000_000) == .seconds(15))
    #expect(limit.limit(bytes: 0) == .seconds(10) + .microseconds(TimeLimit.assumedBytes))
  }

  @Test func theWholeIsTheWeightedSumOfItsSteps() {
    #expect(ChainProgress.fraction(weights: nil, step: 1, stepFraction: 0.5) == nil)
    #expect(ChainProgress.fraction(weights: [1, 8, 1], step: 1, stepFraction: 0) == 0)
    #expect(ChainProgress.fraction(weights: [1, 8, 1], step: 2, stepFraction: 0.5) == 0.5)
    #expect(ChainProgress.fraction(weights: [1, 8, 1], step: 4, stepFraction: 0) == 1)
    #expect(ChainProgress.fraction(weights: [0, .nan], step: 1, stepFraction: 1) == nil)
  }

  @Test func progressNeverGoesBack() {
    var whole = 0.0
    for step in 1...5 {
      for tenth in 0...10 {
        let now = ChainProgress.fraction(weights: [1, 2, 3, 0, 4], step: step, stepFraction: Double(tenth) / 10) ?? 0
        #expect(now >= whole)
        whole = now
      }
    }
    let phases = [PhaseWeight("read", 3), PhaseWeight("index", 1)]
    let read = ChainProgress.taskFraction(phases: phases, phase: "read", done: 10, total: 10, former: 0)
    #expect(read == 0.75)
    #expect(ChainProgress.taskFraction(phases: phases, phase: "index", done: 1, total: 2, former: read) == 0.875)
    #expect(ChainProgress.taskFraction(phases: phases, phase: "read", done: 0, total: 10, former: read) == read)
    #expect(ChainProgress.taskFraction(phases: [], phase: "?", done: 1, total: nil, former: 0.3) == 0.3)
  }
}
