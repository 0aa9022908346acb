internal import COpenSSL

/// What PostgreSQL keeps of a password (RFC 5802, `pg_authid.rolpassword`): enough to check it, not to log in with.
enum ScramVerifier {
  private static let iterations = 4096

  /// - Parameters:
  ///   - password: ASCII, so that there is nothing to normalise.
  ///   - salt: 16 random bytes.
  static func make(_ password: String, salt: [UInt8]) -> String {
    let text = Array(password.utf8)
    var salted = [UInt8](repeating: 0, count: 32)
    text.withUnsafeBytes { bytes in
      let characters = bytes.bindMemory(to: CChar.self).baseAddress
      // Fails only where there is no memory or no such digest.
      precondition(
        PKCS5_PBKDF2_HMAC(
          characters, Int32(text.count), salt, Int32(salt.count), Int32(iterations), EVP_sha256(), 32, &salted) == 1)
    }
    let stored = SHA256Digest.of(hmac(salted, "Client Key"))
    let server = hmac(salted, "Server Key")
    return "SCRAM-SHA-256$\(iterations):\(base64(salt))$\(base64(stored)):\(base64(server))"
  }

  static func make(_ password: String) -> String {
    var generator = SystemRandomNumberGenerator()
    return make(password, salt: (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }

  private static func hmac(_ key: [UInt8], _ text: String) -> [UInt8] {
    let text = Array(text.utf8)
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    _ = HMAC(EVP_sha256(), key, Int32(key.count), text, text.count, &digest, &length)
    return digest
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let length = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return String(decoding: text[..<Int(length)], as: UTF8.self)
  }
}
