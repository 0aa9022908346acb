import Foundation
import Synchronization

/// Standard output or standard error.
struct Terminal: Sendable {
  static let output = Terminal(descriptor: STDOUT_FILENO)
  static let errors = Terminal(descriptor: STDERR_FILENO)

  private let descriptor: Int32

  private init(descriptor: Int32) { self.descriptor = descriptor }

  /// Whole, and without a buffer: what a killed watcher has printed is known to its reader.
  func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        bytes = bytes.dropFirst(count)
      } else if errno == EAGAIN {
        var descriptors = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&descriptors, 1, 1_000)
      } else if errno != EINTR {
        // The reader has what it wanted (`| head`): nothing is wrong.
        if errno == EPIPE, descriptor == STDOUT_FILENO { exit(0) }
        return
      }
    }
  }

  func line(_ text: String) { write(text + "\n") }

  /// Can be drawn on.
  var isInteractive: Bool { isatty(descriptor) == 1 && Self.environment["TERM"] != "dumb" }

  /// Columns now; 100 where there is no terminal.
  var columns: Int {
    var size = winsize()
    if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
    return Self.environment["COLUMNS"].flatMap { Int($0) } ?? 100
  }

  /// Whether block characters can be shown.
  static let isUnicode: Bool = {
    let name = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    let folded = name.lowercased().replacing("-", with: "")
    return folded.contains("utf8")
  }()

  private static let environment = ProcessInfo.processInfo.environment
}

/// Ctrl-C: says what goes on without us, and ends with 130.
enum Interrupt {
  private static let farewell = Mutex<(@Sendable () -> Void)?>(nil)
  /// Made once, by `install`, and never touched again: it only has to stay alive.
  nonisolated(unsafe) private static let source: any DispatchSourceSignal = {
    let made = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global(qos: .userInteractive))
    made.setEventHandler {
      farewell.withLock { $0 }?()
      exit(130)
    }
    return made
  }()

  static func install() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGINT, SIG_IGN)
    source.resume()
  }

  /// Replaces what is said.
  static func onInterrupt(_ body: (@Sendable () -> Void)?) { farewell.withLock { $0 = body } }
}
