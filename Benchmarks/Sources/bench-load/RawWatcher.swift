import CRawTLS
import FramedRPC
import Foundation
import TerraneMessages

/// A watcher that is only a socket: TLS, the frames of one WatchStatus call written by hand, and a blocking read. It says when
/// a frame is there, as the libpq session beside it says when a notification is; what a client library does with it comes after.
///
/// Unchecked: `follow` hands the connection to its own thread for good.
final class RawWatcher: @unchecked Sendable {
  private let connection: OpaquePointer

  init(_ job: Job, _ request: WatchStatusRequest) throws {
    var reason = [CChar](repeating: 0, count: 256)
    let folder = job.credentials
    guard
      let made = raw_tls_connect(
        job.host, Int32(job.port), "framed-rpc/1", folder + "/client.pem", folder + "/client.key", folder + "/ca.pem",
        &reason, reason.count)
    else { throw Failed(String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)) }
    connection = made
    let method = Array("terrane.v1.DatasetService/WatchStatus".utf8)
    // CallMeta: method = 1; initial_credit = 6, 2^30: nothing has to be granted while it lasts.
    let meta = [0x0a, UInt8(method.count)] + method + [0x30, 0x80, 0x80, 0x80, 0x80, 0x04]
    let body = EncodedMessage(request).bytes
    try write(
      Array("\0RPC/1\r\n".utf8) + Self.frame(type: 0x01, flags: 0, aux: 0, stream: 0, [])
        + Self.frame(type: 0x02, flags: 0x01, aux: UInt16(meta.count), stream: 1, meta + body))
  }

  private static func frame(type: UInt8, flags: UInt8, aux: UInt16, stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
    func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    return bigEndian(UInt32(payload.count)) + [type, flags, UInt8(aux >> 8), UInt8(aux & 255)] + bigEndian(stream)
      + payload
  }

  private func write(_ bytes: [UInt8]) throws {
    guard raw_tls_write(connection, bytes, bytes.count) == 0 else { throw Failed("the raw watcher could not write") }
  }

  /// Calls `came` for every status that arrives, on a thread of its own.
  func follow(_ came: @escaping @Sendable () -> Void) {
    Thread.detachNewThread { [self] in
      var waiting: [UInt8] = []
      var skip = 8
      var bytes = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = raw_tls_read(connection, &bytes, bytes.count)
        guard count > 0 else { return }
        waiting += bytes[..<Int(count)]
        if skip > 0, waiting.count >= skip {
          waiting.removeFirst(skip)
          skip = 0
        }
        while skip == 0, waiting.count >= 12 {
          let size = 12 + waiting[..<4].reduce(0) { $0 << 8 | Int($1) }
          guard waiting.count >= size else { break }
          // DATA with a message: neither a bookmark nor another stream's.
          if waiting[4] == 0x03, waiting[5] & 0x04 == 0 { came() }
          waiting.removeFirst(size)
        }
      }
    }
  }
}
