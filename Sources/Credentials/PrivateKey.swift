import COpenSSL

/// A P-256 key pair.
final class PrivateKey {
  let pointer: OpaquePointer

  private init(adopting pointer: OpaquePointer) { self.pointer = pointer }

  deinit { EVP_PKEY_free(pointer) }

  static func generate() throws(CredentialError) -> PrivateKey {
    guard let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { throw .openSSL("no EC keys") }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
      EVP_PKEY_generate(context, &key) == 1, let key
    else { throw .openSSL("could not make a P-256 key") }
    return PrivateKey(adopting: key)
  }

  init(pem: [UInt8], path: String) throws(CredentialError) {
    let bio = try MemoryBIO(pem)
    guard let key = PEM_read_bio_PrivateKey(bio.pointer, nil, nil, nil) else {
      ERR_clear_error()
      throw CredentialError(.damaged, "\(path) holds no private key in PEM form.")
    }
    pointer = key
  }

  /// PKCS#8, unencrypted: whoever may read the file may use it.
  func pem() throws(CredentialError) -> [UInt8] {
    let bio = try MemoryBIO()
    guard PEM_write_bio_PKCS8PrivateKey(bio.pointer, pointer, nil, nil, 0, nil, nil) == 1 else {
      throw .openSSL("could not write a private key")
    }
    return bio.bytes
  }
}

/// OpenSSL's stream over memory.
final class MemoryBIO {
  let pointer: OpaquePointer

  init() throws(CredentialError) {
    guard let bio = BIO_new(BIO_s_mem()) else { throw .openSSL("out of memory") }
    pointer = bio
  }

  /// Copies `bytes`: the stream may outlive the caller's buffer.
  convenience init(_ bytes: [UInt8]) throws(CredentialError) {
    try self.init()
    guard bytes.isEmpty || BIO_write(pointer, bytes, Int32(bytes.count)) == Int32(bytes.count) else {
      throw .openSSL("out of memory")
    }
  }

  deinit { BIO_free_all(pointer) }

  /// Everything written and not yet read; reading takes it out.
  var bytes: [UInt8] {
    let count = BIO_ctrl_pending(pointer)
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = count == 0 ? 0 : max(0, Int(BIO_read(pointer, buffer.baseAddress, Int32(count))))
    }
  }
}

extension CredentialError {
  /// `what` with OpenSSL's newest reason; empties this thread's error queue.
  static func openSSL(_ what: String) -> CredentialError {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    guard code != 0 else { return CredentialError(.cryptography, "OpenSSL: \(what).") }
    var text = [CChar](repeating: 0, count: 256)
    ERR_error_string_n(code, &text, text.count)
    let end = text.firstIndex(of: 0) ?? text.endIndex
    let reason = String(decoding: text[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self)
    return CredentialError(.cryptography, "OpenSSL: \(what) (\(reason)).")
  }
}
