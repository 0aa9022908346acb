internal import Foundation

/// What one check of the machine found, in words for who sets it up.
struct Finding: Encodable {
  /// `warning`: the server starts, and something will be missed. `error`: it would not start, or not serve.
  enum Level: String, Encodable { case ok, warning, error }

  var level: Level
  /// The setting, or what the server needs besides.
  var check: String
  var message: String
  /// What to do about it; nil where all is well.
  var remedy: String?

  static func ok(_ check: String, _ message: String) -> Finding { Finding(level: .ok, check: check, message: message) }

  static func warning(_ check: String, _ message: String, remedy: String) -> Finding {
    Finding(level: .warning, check: check, message: message, remedy: remedy)
  }

  static func error(_ check: String, _ message: String, remedy: String) -> Finding {
    Finding(level: .error, check: check, message: message, remedy: remedy)
  }
}

/// What `--check-config` says.
struct CheckReport {
  var settings: Settings
  var findings: [Finding]

  var isUsable: Bool { !findings.contains { $0.level == .error } }

  var text: String {
    let width = findings.map(\.check.count).max() ?? 0
    let lines = findings.map { finding in
      let level = finding.level.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)
      let check = finding.check.padding(toLength: width, withPad: " ", startingAt: 0)
      let remedy = finding.remedy.map { "\n" + String(repeating: " ", count: 11 + width) + $0 } ?? ""
      return "\(level)  \(check)  \(finding.message)\(remedy)"
    }
    let errors = findings.count { $0.level == .error }
    let end =
      errors == 0
      ? "terraned can start with these settings." : "terraned would not start, or not serve; mend the errors."
    return ([settings.summary, ""] + lines + ["", end]).joined(separator: "\n")
  }

  func json() throws -> String {
    struct Report: Encodable {
      var ok: Bool
      var settings: [String: String]
      var checks: [Finding]
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let values = Dictionary(uniqueKeysWithValues: settings.named.map { ($0.name, $0.value) })
    let report = Report(ok: isUsable, settings: values, checks: findings)
    return String(decoding: try encoder.encode(report), as: UTF8.self)
  }
}
