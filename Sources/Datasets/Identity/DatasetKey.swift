internal import COpenSSL

/// SHA-256 of `terrane.dataset.v1`, a 0x00, then namespace, dataset, resource and version in that order, each as a
/// big-endian u16 length and its bytes. (Plain concatenation would make ("ab","c") equal to ("a","bc").)
public struct DatasetKey: Sendable, Hashable, CustomStringConvertible {
  /// 32 bytes.
  public let bytes: [UInt8]

  public init(of identity: DatasetIdentity) {
    var input = Array("terrane.dataset.v1".utf8) + [0]
    for part in [identity.namespace, identity.datasetID, identity.resourceID, identity.versionID] {
      let utf8 = Array(part.utf8)
      input.append(UInt8(utf8.count >> 8))
      input.append(UInt8(utf8.count & 0xFF))
      input.append(contentsOf: utf8)
    }
    bytes = SHA256Digest.of(input)
  }

  /// 64 hex digits, either case. Throws `Problem` (`INVALID_ID`).
  public init(hex: String) throws(Problem) {
    guard let bytes = [UInt8](hexDigits: hex), bytes.count == 32 else {
      throw Problem(.invalidID, "'\(hex.excerpt)' is not a dataset key: 64 hex digits", field: "dataset_key")
    }
    self.bytes = bytes
  }

  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  /// 64 lower-case hex digits.
  public var description: String { bytes.hexDigits }
}

/// SHA-256 of bytes in memory.
public enum SHA256Digest {
  /// 32 bytes.
  public static func of(_ input: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    _ = COpenSSL.SHA256(input, input.count, &digest)
    return digest
  }
}

extension [UInt8] {
  /// Two lower-case hex digits a byte.
  public var hexDigits: String {
    let digits = Array<UInt8>("0123456789abcdef".utf8)
    var out: [UInt8] = []
    out.reserveCapacity(count * 2)
    for byte in self {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Nil where a character is no hex digit or their number is odd.
  public init?(hexDigits text: some StringProtocol) {
    var text = String(text)
    let bytes = text.withUTF8 { digits -> [UInt8]? in
      guard digits.count.isMultiple(of: 2) else { return nil }
      var isWhole = true
      let bytes = [UInt8](unsafeUninitializedCapacity: digits.count / 2) { bytes, count in
        while count < digits.count / 2 {
          guard let high = Self.nibble(digits[2 * count]), let low = Self.nibble(digits[2 * count + 1]) else {
            isWhole = false
            return
          }
          bytes.initializeElement(at: count, to: high << 4 | low)
          count += 1
        }
      }
      return isWhole ? bytes : nil
    }
    guard let bytes else { return nil }
    self = bytes
  }

  private static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
