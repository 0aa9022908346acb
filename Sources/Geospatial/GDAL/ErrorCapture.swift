internal import CGDAL

/// Takes what GDAL reports on this thread. GDAL's handlers are a stack per thread: push and pop happen inside one
/// synchronous closure, never across a suspension point.
final class ErrorCapture {
  struct Report: Equatable {
    var severity: UInt32
    var number: Int32
    var message: String
  }

  /// Reports of CE_Failure or worse since the last `takeFailures`. Read in the hot loop, hence a plain count beside.
  private(set) var failureCount = 0
  private var failures: [Report] = []
  private(set) var remarks: [Report] = []
  /// A file with a million bad records must not fill the memory with their messages.
  private static let keep = 100

  fileprivate func take(_ severity: UInt32, _ number: Int32, _ message: String) {
    let report = Report(severity: severity, number: number, message: message)
    if severity >= CE_Failure.rawValue {
      failureCount += 1
      if failures.count < Self.keep { failures.append(report) }
    } else if severity == CE_Warning.rawValue, remarks.count < Self.keep {
      remarks.append(report)
    }
  }

  /// The failures so far, and forgets them.
  func takeFailures() -> [Report] {
    defer {
      failures = []
      failureCount = 0
    }
    return failures
  }

  /// The remarks (CE_Warning) so far, and forgets them.
  func takeRemarks() -> [Report] {
    defer { remarks = [] }
    return remarks
  }

  /// Runs `body` with a fresh capture on top of this thread's handler stack.
  static func during<T>(_ body: (ErrorCapture) throws -> T) rethrows -> T {
    let capture = ErrorCapture()
    CPLPushErrorHandlerEx(captureReport, Unmanaged.passUnretained(capture).toOpaque())
    defer { CPLPopErrorHandler() }
    return try withExtendedLifetime(capture) { try body(capture) }
  }
}

/// C callback: captures nothing, its state comes through GDAL's user data.
private func captureReport(_ severity: CPLErr, _ number: CPLErrorNum, _ message: UnsafePointer<CChar>?) {
  guard let state = CPLGetErrorHandlerUserData() else { return }
  Unmanaged<ErrorCapture>.fromOpaque(state).takeUnretainedValue()
    .take(severity.rawValue, number, message.map { String(cString: $0) } ?? "")
}

extension [ErrorCapture.Report] {
  /// The first message, or `fallback` where GDAL said nothing.
  func text(or fallback: String) -> String { first.map { $0.message } ?? fallback }
}
