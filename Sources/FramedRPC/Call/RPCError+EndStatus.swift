internal import FramedCore

extension RPCError {
  init(_ status: EndStatus) {
    self.init(
      status.code, status.message, details: status.details, trailers: status.trailers,
      retryAfter: status.retryAfterMs.map { .milliseconds(Int64($0)) }, refused: status.refused,
      resumeSeq: status.resumeSeq)
  }

  var endStatus: EndStatus {
    EndStatus(
      // END(OK) is not an error: a handler that throws one has made a mistake.
      code == .ok ? .unknown : code, message, details: details, trailers: trailers,
      retryAfterMs: retryAfter.map { Int32(clamping: $0.nanosecondsSigned / 1_000_000) }, resumeSeq: resumeSeq,
      refused: refused)
  }
}

extension Duration {
  /// Nanoseconds, at most about 292 years either way.
  var nanosecondsSigned: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflowed) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflowed ? (seconds < 0 ? .min : .max) : sum
  }

  /// For spans that cannot be negative.
  var nanoseconds: Nanoseconds { Nanoseconds(max(0, nanosecondsSigned)) }
}
