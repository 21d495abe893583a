
:
xPlaceholder*
dtype0*
shape:
R
batchnorm/Rsqrt/xConst*
dtype0*)
value B"RØÉ?ëFj@“aw@Ûò·?×@
4
batchnorm/RsqrtRsqrtbatchnorm/Rsqrt/x*
T0
P
batchnorm/mul/yConst*
dtype0*)
value B"¤I¾?r«?´8?ê°¦??ÿ"?
?
batchnorm/mulMulbatchnorm/Rsqrtbatchnorm/mul/y*
T0
1
batchnorm/mul_1Mulxbatchnorm/mul*
T0
R
batchnorm/mul_2/xConst*
dtype0*)
value B"¸¾E ¾ã¹>:H?Ôy?
A
batchnorm/mul_2Mulbatchnorm/mul_2/xbatchnorm/mul*
T0
P
batchnorm/sub/xConst*
dtype0*)
value B"ÿ> ëÂ¿Œ$ÀùÄ,ÀµÀ
?
batchnorm/subSubbatchnorm/sub/xbatchnorm/mul_2*
T0
?
batchnorm/addAddV2batchnorm/mul_1batchnorm/sub*
T0"ª