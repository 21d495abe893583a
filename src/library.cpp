// SPDX-License-Identifier: Apache-2.0
// libtfengine is made of the archives of the folders beside this file.
