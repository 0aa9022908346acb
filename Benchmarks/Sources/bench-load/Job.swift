import Foundation
import Glibc

/// What to do: one JSON object, the program's only argument.
struct Job: Decodable {
  enum Mode: String, Decodable { case path, creates, watch }
  var mode: Mode
  var host = "127.0.0.1"
  var port: Int
  /// Folder of a client's credentials.
  var credentials: String
  /// `creates`: how long, after how long a warm-up, with how many calls in flight over how many connections.
  var seconds: Double?
  var warmUp: Double?
  var inFlight: Int?
  var connections: Int?
  /// `creates`, `watch`: names the datasets of this run; the source they name.
  var label: String?
  var source: String?
  /// `watch`: libpq's connection string, and how many times.
  var database: String?
  var rounds: Int?
  /// `watch`: what of a record the server reads.
  var columns: String?
  /// `watch`: milliseconds between two measurements.
  var pause: Double?
  /// `watch`: whether the watcher is a bare socket.
  var raw: Bool?

  private enum CodingKeys: String, CodingKey {
    case mode, port, credentials, seconds, warmUp, inFlight, connections, label, source, database, rounds, columns,
      pause, raw
  }

  static func ofArguments() throws -> Job {
    guard CommandLine.arguments.count == 2 else { throw Failed("usage: bench-load '{\"mode\": \"creates\", ...}'") }
    return try JSONDecoder().decode(Job.self, from: Data(CommandLine.arguments[1].utf8))
  }

  func need<T>(_ value: T?, _ name: String) throws -> T {
    guard let value else { throw Failed("\(mode.rawValue) needs \(name)") }
    return value
  }
}

struct Failed: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

enum Clock {
  /// Microseconds since 1970: to compare with what PostgreSQL wrote.
  static func wall() -> Int64 { now(CLOCK_REALTIME) / 1_000 }
  /// Nanoseconds of the clock that only goes forward: one for all threads.
  static func steady() -> Int64 { now(CLOCK_MONOTONIC) }

  private static func now(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Seconds of processor time this process has used.
  static func processor() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }
}

/// One JSON object, on one line.
func say(_ answer: some Encodable) throws {
  FileHandle.standardOutput.write(try JSONEncoder().encode(answer) + Data("\n".utf8))
}
