import Glibc
import Synchronization

/// TEST-ONLY: named places at which a test makes this process die, stop or fail, so that it can prove what a crash at exactly
/// that statement leaves behind.
///
/// Nothing happens unless the environment holds `TERRANE_FAILPOINT` when the process starts:
/// `name[:nth]=kill|error|stop`, several separated by commas. `kill` is SIGKILL to this process, `stop` is SIGSTOP, `error`
/// throws ``PostgresError/Kind/failPoint``; `nth` (from 1, the default) says which arrival at the name it is. Without the
/// variable a check is one load and one branch. Never set it on a server that holds data you want to keep.
public enum FailPoint {
  enum Action: String, Sendable { case kill, error, stop }

  struct Rule: Sendable {
    var arrivals: Int
    var action: Action
  }

  private static let rules = Mutex(getenv("TERRANE_FAILPOINT").map { parse(String(cString: $0)) } ?? [:])

  /// Whether any fail point was set when this process started.
  public static let isActive = rules.withLock { !$0.isEmpty }

  /// Passes the place `name`, or does what the environment asks for there.
  public static func reach(_ name: @autoclosure () -> String) throws(PostgresError) {
    guard isActive else { return }
    let name = name()
    let action: Action? = rules.withLock { rules in
      guard var rule = rules[name], rule.arrivals > 0 else { return nil }
      rule.arrivals -= 1
      rules[name] = rule
      return rule.arrivals == 0 ? rule.action : nil
    }
    switch action {
    case nil: return
    // To this very thread: it does not return from the call, whereas the process's others may still run for a moment.
    case .kill: pthread_kill(pthread_self(), SIGKILL)
    case .stop: pthread_kill(pthread_self(), SIGSTOP)
    case .error: throw PostgresError(.failPoint, "fail point \(name)")
    }
  }

  static func parse(_ text: String) -> [String: Rule] {
    var result: [String: Rule] = [:]
    for entry in text.split(separator: ",") {
      let halves = entry.split(separator: "=", maxSplits: 1)
      guard halves.count == 2, let action = Action(rawValue: String(halves[1])) else { continue }
      let place = halves[0].split(separator: ":", maxSplits: 1)
      guard let name = place.first else { continue }
      let nth = place.count == 2 ? Int(place[1]) ?? 0 : 1
      guard nth >= 1 else { continue }
      result[String(name)] = Rule(arrivals: nth, action: action)
    }
    return result
  }
}
