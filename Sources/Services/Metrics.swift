public import FramedRPC
internal import Glibc
internal import Synchronization

/// What the server counts, as text: its calls and connections, its watchers, its health, its use of the machine.
public final class Metrics: Sendable {
  /// For the server's configuration.
  public let server = ServerMetrics()
  private let version: String
  private let sources = Mutex(Sources())

  private struct Sources {
    var router = RPCRouter()
    var watchers: @Sendable () -> Int = { 0 }
    var parts: @Sendable () -> [(name: String, isServing: Bool)] = { [] }
  }

  public init(version: String) { self.version = version }

  /// Names what is asked each time somebody wants the text.
  func begin(
    _ router: RPCRouter, watchers: @escaping @Sendable () -> Int,
    parts: @escaping @Sendable () -> [(name: String, isServing: Bool)]
  ) {
    sources.withLock { $0 = Sources(router: router, watchers: watchers, parts: parts) }
  }

  /// OpenMetrics text.
  public var text: String {
    let sources = sources.withLock { $0 }
    var text = OpenMetricsText()
    server.write(sources.router, into: &text)
    text.family("terrane_watchers", .gauge, "Streams that watch a dataset.") {
      $0.sample([], Double(sources.watchers()))
    }
    text.family("terrane_serving", .gauge, "1 where a part of the server can do its work, else 0.") { family in
      for part in sources.parts() { family.sample([("part", part.name)], part.isServing ? 1 : 0) }
    }
    text.family("terrane_build", .gauge, "1; the version is a label.") { $0.sample([("version", version)], 1) }
    writeProcess(into: &text)
    return text.text
  }

  private func writeProcess(into text: inout OpenMetricsText) {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    text.family("process_cpu_seconds", .counter, "Processor time of this process, its tasks not included.") {
      $0.sample([], seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }
    text.family("process_resident_memory_bytes", .gauge, "Memory of this process.") {
      $0.sample([], Double(Self.residentPages * Int(sysconf(Int32(_SC_PAGESIZE)))))
    }
  }

  /// The second number of /proc/self/statm.
  private static var residentPages: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }
}
