public import TerraneMessages

/// Turns the statuses of a watch into what is written to the terminal: a bar that is redrawn in place, or lines that follow
/// each other. Pure: time comes in, text goes out.
public struct WatchDisplay: Sendable {
  public enum Style: Sendable, Equatable {
    /// A terminal this wide.
    case bar(columns: Int)
    /// A pipe or a log.
    case lines
  }

  public var style: Style
  private let line: StatusLine
  private var shown: DatasetStatus?
  private var pending: DatasetStatus?
  private var drawnAt: ContinuousClock.Instant?
  private var barIsVisible = false
  private var warningsShown: [String: Int64] = [:]

  /// At most ten redraws a second.
  static let redrawInterval: Duration = .milliseconds(100)
  /// A log gets a line at every tenth of the way, at every new step, and at least this often while something moves.
  static let lineInterval: Duration = .seconds(10)

  public init(style: Style, unicode: Bool) {
    self.style = style
    line = StatusLine(unicode: unicode)
  }

  /// What to write now that `status` has arrived; "" where it can wait.
  public mutating func update(_ status: DatasetStatus, at now: ContinuousClock.Instant) -> String {
    let warnings = newWarnings(status)
    // An end is told by the report that follows.
    if status.status.isTerminal { return finish() + warnings.map { $0 + "\n" }.joined() }
    pending = status
    switch style {
    case .bar:
      let interruption = warnings.isEmpty ? "" : erase() + warnings.map { $0 + "\n" }.joined()
      if interruption.isEmpty, let drawnAt, now - drawnAt < Self.redrawInterval, !isNewStep(status) { return "" }
      return interruption + draw(at: now)
    case .lines:
      var lines = warnings
      if isWorthALine(status, at: now) {
        lines.insert(line.plain(status), at: 0)
        shown = status
        drawnAt = now
      }
      pending = nil
      return lines.map { $0 + "\n" }.joined()
    }
  }

  /// Draws what had to wait. Call it some ten times a second.
  public mutating func tick(at now: ContinuousClock.Instant) -> String {
    guard pending != nil, case .bar = style, drawnAt.map({ now - $0 >= Self.redrawInterval }) ?? true else { return "" }
    return draw(at: now)
  }

  /// A line above the bar.
  public mutating func interject(_ text: String) -> String {
    let erased = erase()
    pending = pending ?? shown
    return erased + text + "\n"
  }

  /// Takes the bar away.
  public mutating func finish() -> String {
    pending = nil
    return erase()
  }

  private mutating func draw(at now: ContinuousClock.Instant) -> String {
    guard case .bar(let columns) = style, let status = pending else { return "" }
    pending = nil
    shown = status
    drawnAt = now
    barIsVisible = true
    // The last column stays free: some terminals wrap as soon as it is written.
    return "\r" + line.bar(status, columns: max(1, columns - 1)) + "\u{1B}[K"
  }

  private mutating func erase() -> String {
    defer { barIsVisible = false }
    return barIsVisible ? "\r\u{1B}[K" : ""
  }

  private func isNewStep(_ status: DatasetStatus) -> Bool {
    shown?.progress?.stepNumber != status.progress?.stepNumber || shown?.status != status.status
  }

  private func isWorthALine(_ status: DatasetStatus, at now: ContinuousClock.Instant) -> Bool {
    guard let shown, let drawnAt, !isNewStep(status) else { return true }
    if status == shown { return false }
    let (before, after) = (shown.progress?.percent ?? 0, status.progress?.percent ?? 0)
    return (after / 10).rounded(.down) > (before / 10).rounded(.down) || now - drawnAt >= Self.lineInterval
  }

  /// A line for each reason when it first appears, and again whenever it has grown tenfold.
  private mutating func newWarnings(_ status: DatasetStatus) -> [String] {
    status.warnings.compactMap { warning in
      let before = warningsShown[warning.reason]
      guard warning.count > 0, before.map({ warning.count / 10 >= $0 }) ?? true else { return nil }
      warningsShown[warning.reason] = warning.count
      return "! " + WarningText.line(warning)
    }
  }
}

/// A count of warnings in words.
enum WarningText {
  /// `12 features have no geometry (NULL_GEOMETRY)`
  static func line(_ warning: WarningCount) -> String {
    let reason = TerminalText.sanitised(warning.reason)
    let message = TerminalText.sanitised(warning.message)
    guard !message.isEmpty else { return "\(reason): \(Quantity.count(warning.count))" }
    return "\(reason) (\(Quantity.count(warning.count))): \(message)"
  }
}
