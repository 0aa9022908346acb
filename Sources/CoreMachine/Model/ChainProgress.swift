/// The progress of a whole chain from that of its running step.
public enum ChainProgress {
  /// The share of the whole that is done, 0...1, or nil while the chain is not planned (it has one known step then).
  ///
  /// - Parameters:
  ///   - weights: One a step, from step 1; nil: not planned.
  ///   - step: The number of the running step, from 1.
  ///   - stepFraction: How much of it is done, 0...1.
  ///
  /// Grows with (step, stepFraction), which is all that is needed for monotone progress: steps are never taken back, and
  /// `coremachine.progress.fraction` never shrinks within a step.
  public static func fraction(weights: [Double]?, step: Int, stepFraction: Double) -> Double? {
    guard let weights, !weights.isEmpty else { return nil }
    let positive = weights.map { $0.isFinite ? max(0, $0) : 0 }
    let whole = positive.reduce(0, +)
    guard whole > 0 else { return nil }
    let before = positive.prefix(max(0, step - 1)).reduce(0, +)
    let current = step >= 1 && step <= positive.count ? positive[step - 1] : 0
    return min(1, (before + current * min(1, max(0, stepFraction))) / whole)
  }

  /// The share of a task that is done after a report.
  ///
  /// - Parameters:
  ///   - phases: The task's phases with their shares; empty: the report speaks of the whole task.
  ///   - former: What was shown before: a task never goes back.
  public static func taskFraction(
    phases: [PhaseWeight], phase: String, done: Int64, total: Int64?, former: Double
  ) -> Double {
    let share = total.map { $0 > 0 ? min(1, Double(done) / Double($0)) : 0 } ?? 0
    guard !phases.isEmpty else { return max(former, share) }
    guard let index = phases.firstIndex(where: { $0.phase == phase }) else { return former }
    let weights = phases.map(\.weight)
    return max(former, fraction(weights: weights, step: index + 1, stepFraction: share) ?? 0)
  }

  /// Seconds until the whole is done at the rate so far, or nil while that says nothing.
  public static func secondsLeft(fraction: Double, elapsedSeconds: Double) -> Double? {
    guard fraction >= 0.01, fraction <= 1, elapsedSeconds > 0 else { return nil }
    return elapsedSeconds * (1 - fraction) / fraction
  }
}
